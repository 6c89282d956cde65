"""What the plug-ins for OSTrack, AVTrack and HiT share; the three descend from STARK's code."""
