"""Networks for video quality assessment: branches, fusion, head, network."""
