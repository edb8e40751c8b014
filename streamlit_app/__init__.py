"""The monitor: pages over what a build has published. It draws what functions of `mlbridge.monitor` give."""
