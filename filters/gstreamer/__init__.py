"""ExdNet for GStreamer: `exdnet_gst.py` is the element `exdnet`, `install.py` leads GStreamer to it."""
