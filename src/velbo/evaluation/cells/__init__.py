"""Single cells of a row: filled in, weighed, held against their predicted distribution."""
