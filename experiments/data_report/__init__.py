"""Parts of the report on a data set: taking stock, scanning files, finding faults, showing them."""
