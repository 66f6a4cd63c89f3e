"""From a function to a graph: it is called once, on Values whose numbers are not known."""
