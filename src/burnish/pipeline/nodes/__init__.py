"""Nodes of the graph, by stage; each function is one node, its name the noun it makes."""
