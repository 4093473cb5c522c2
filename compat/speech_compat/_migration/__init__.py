"""Finding and changing programs that were written for the real package.

``sources`` reads files, ``notebooks`` those of Jupyter, ``syntax`` parses, ``usage`` follows the
names of the real package through a file, ``program`` derives from them what it asks for, and
``findings`` what has to be done.  ``imports`` decides which import can be changed; ``rewriting``
changes it, and alone needs the extra ``migrate``.
"""

__all__: list[str] = []
