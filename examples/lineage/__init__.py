"""Code that the plug-ins for OSTrack, AVTrack and HiT share; all three descend from STARK's."""
