"""Image files to pixels and back, with 16 bits, transparency, color profile and EXIF."""
