"""What the node keeps: layers, images and names, the containers' roots, and what may go when the disk is needed."""
