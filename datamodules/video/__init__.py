"""Video files to named view tensors: reader, decode plan, samplers, views."""
