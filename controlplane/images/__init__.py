"""What is known of images: who has which, what each consists of, and how they descend from one another."""
