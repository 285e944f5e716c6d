"""FER2013 and FER+ as people download them, read into the one npz that :mod:`fer_deploy.data.fer2013` loads."""
