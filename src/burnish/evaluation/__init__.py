"""Evaluation: prediction files in, scores and a verdict out; no model is ever loaded."""
