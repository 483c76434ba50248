"""Workers: one process for each platform account. They translate, decide nothing about access and keep no state."""
