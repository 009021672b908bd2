"""What else a training image could have looked like: other appearances, and lesions."""
