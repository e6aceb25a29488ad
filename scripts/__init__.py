"""What is generated from the code: pages, bundles and pictures. Not part of the package."""
