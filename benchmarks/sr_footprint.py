"""What the diffusion recipes cost at Stable Diffusion 2.1's size: work and memory, told from shapes alone.

Nothing here has run on a GPU: memory is that of the tensors of one training step, without the allocator's waste and the
CUDA context, and every row says so. Takes some minutes on the CPU.
`python benchmarks/sr_footprint.py [RECIPE ...]`
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ("taco_pixel", "taco_semantic", "semantic_only")


def main() -> None:
    """Print the table of docs/diffusion-sr.md and the same as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    import torch

    from experiments.sr_footprint.figures import footprint
    from models.sr.backbone import DiffusionBackbone
    from models.sr.one_step import OneStepSR
    from runtime.layers import layers, read_config
    from runtime.named_parts import merged

    print("| recipe | stage | checkpointing | activations GiB | total GiB | most on 24 / 48 / 80 GB | inference GiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    lines = []
    for name in args.recipes:
        config: dict = {}
        for layer in layers(ROOT / f"configs/exp/kwaisr/{name}.yaml"):
            config = merged(config, read_config(layer))
        model = config["model"]["init_args"]
        network = model["network"]["init_args"]
        base = network.pop("backbone")["init_args"]
        for checkpointing in (True, False):
            with torch.device("meta"):
                backbone = DiffusionBackbone(shape="sd21", dtype=base["dtype"], checkpointing=checkpointing)
                sr = OneStepSR(backbone, **network)
            crop = config["data"]["init_args"].get("crop", 512)
            found = footprint(sr, model["stage"], crop, decode_crop=model.get("decode_crop"))
            training = found["training"]
            most = " / ".join(str(count) for count in training["largest_batch"].values())
            told = [f"{training[key]:.2f}" for key in ("activations_gib", "total_gib")]
            row = [name, model["stage"], "on" if checkpointing else "off", *told, most,
                   f"{found['inference']['total_gib']:.2f}"]  # fmt: skip
            print("| " + " | ".join(row) + " |", flush=True)
            lines.append({"recipe": name, **found})
    gmacs = lines[0]["gmacs"]
    print(", ".join(f"{part} {value:.1f} GMACs" for part, value in gmacs.items()))
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
