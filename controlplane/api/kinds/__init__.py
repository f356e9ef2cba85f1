"""Columns of each kind's Table, a module per kind named by its singular."""
