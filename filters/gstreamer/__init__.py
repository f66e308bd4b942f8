"""ExdNet for GStreamer: `exdnet_gst.py` beside this file is the element `exdnet`, for `$GST_PLUGIN_PATH/python`."""
