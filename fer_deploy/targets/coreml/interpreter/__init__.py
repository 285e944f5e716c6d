"""An interpreter of ML Programs: reads a saved package from disk and executes it in torch on any system."""
