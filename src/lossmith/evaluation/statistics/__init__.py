"""From the scores of every image to who is better, by how much, and how sure that is."""
