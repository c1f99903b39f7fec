"""Where rules come from: folders of Sigma rules and of the site's own detections, and their examples."""
