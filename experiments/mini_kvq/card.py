def write_card(path, manifest):
    path.write_text(str(manifest["ridge"]))


def summary(root):
    return (root / "README.md").read_text()
