"""Sources of pictures, from a file to a camera on the network, and video files to write."""
