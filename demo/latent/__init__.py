"""What a student does with a model that has a latent code; the VAE tab is made of these.

An activity is a module with a TITLE and a function `build(tab)`, as those of demo/activities.
"""
