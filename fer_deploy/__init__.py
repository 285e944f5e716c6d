"""fer-deploy: quantize, export, profile and gate small FER networks for iPhone and Android."""
