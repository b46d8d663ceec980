"""The base image: a live system for devices, built from packages of Debian.

The steps, each a module: the archive of the root (`root_archive`), programs and files in it
(`programs`, `system_files`, `container_images`), what boots it (`initramfs`, `boot_loaders`), the
medium (`medium`). `base_image` puts them together and publishes the result.
"""
