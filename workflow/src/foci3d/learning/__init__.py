"""Networks: tasks, architectures, training, models and inference."""
