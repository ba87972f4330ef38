"""The page to vote on: one HTML file, no network, names of the systems out of sight."""

import base64
import hashlib
import json
import random
from itertools import combinations
from pathlib import Path

from experiments.preference.page_look import SCRIPT, STYLE
from experiments.preference.pictures import data_uri
from records.files import write_text
from records.hashing import seed_of


def write_page(path: Path, images: dict[str, dict[str, Path]], systems: list[str], side: int, seed: int) -> int:
    """Write the page, whole or not at all.

    Args:
        path: HTML file.
        images: Files by image and system, and perhaps ``input``.
        systems: Names of the systems.
        side: Longest side shown, pixels.
        seed: Seed of the order of pairs and sides.

    Returns:
        Number of pairs.
    """
    pairs = [(id, *pair) for id in images for pair in combinations(systems, 2)]
    chance = random.Random(seed_of("pairs", seed))
    chance.shuffle(pairs)
    pairs = [(id, second, first) if chance.random() < 0.5 else (id, first, second) for id, first, second in pairs]
    pictures = {id: {name: data_uri(file, side) for name, file in files.items()} for id, files in images.items()}
    # Out of sight, not secret: whoever opens the file's source can find the names.
    held = base64.b64encode(json.dumps({"pairs": pairs, "pictures": pictures}).encode()).decode()
    key = hashlib.sha256(held.encode()).hexdigest()[:16]
    script = SCRIPT.replace("STUDY_KEY", f"study-{key}")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Which image is better?</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n<body>'
        '<main><header><h1>Which image is better?</h1><span id="place" role="status"></span>'
        '<label>Your name <input id="rater" maxlength="40" autocomplete="off"></label></header>\n'
        '<div id="pair"><button id="left" aria-label="the left one is better"><img alt="left"></button>'
        '<button id="right" aria-label="the right one is better"><img alt="right"></button></div>\n'
        '<nav><button id="tie">No difference (space)</button><button id="back">Back (backspace)</button>'
        '<button id="zoom" aria-pressed="false">Enlarge (z)</button>'
        '<button id="save">Save the votes</button></nav>\n'
        "<p>Click the better image, or press the left or right arrow. Votes are kept in this browser until they are "
        "saved; send the saved table to whoever runs the study.</p>\n"
        '<figure id="input" hidden><img alt="what was restored"><figcaption>what was restored</figcaption></figure>'
        f'</main>\n<script type="application/octet-stream" id="held">{held}</script>\n<script>{script}</script>'
        "</body></html>\n",
    )
    return len(pairs)
