"""The official score of super-resolved pictures: checks, means, the packed submission, a page to look at."""
