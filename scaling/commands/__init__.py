"""The commands, one file each (a family of commands that share much, one): each parses, calls one
public function, prints. `scaling.cli` lists them.
"""
