"""What a student does with two networks that play against each other; the GAN tab is made of these.

An activity is a module with a TITLE and a function `build(tab)`, as those of demo/activities.
"""
