"""Studies: stages of commands over a matrix of variants and seeds, run by Snakemake."""
