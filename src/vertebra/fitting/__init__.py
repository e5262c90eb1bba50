"""The main job: from images and a budget to a trained, measured, verified bundle."""
