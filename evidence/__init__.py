"""Evidence from fine-tuned models: recipes, training, ground truth and labels.

Run from a checkout as ``python -m evidence``; README.md beside this file says how.
"""
