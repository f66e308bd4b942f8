"""ExdNet as a native filter of host applications, one folder a host."""
