"""Common code of the plug-ins for OSTrack, AVTrack and HiT, which are all based on STARK."""
