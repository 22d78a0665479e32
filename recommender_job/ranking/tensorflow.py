"""The one door to TensorFlow: importing this module loads it, so import it inside functions only.

TensorFlow Recommenders 0.7.7 needs Keras 2, and TensorFlow reads its environment while it loads, so both are
settled here, before the import, and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Holds back what native code writes to stderr; shows it after all when the block fails.

    The start-up lines about processors and absent graphics cards come before any log level is read.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Tasks that run at once share a card: each takes the memory that it needs, instead of all there is.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# No row of a table is written twice by one operator, so that the order of writing cannot matter. What TensorFlow would
# do to be certain copies the whole table from the card and back, at every step.
os.environ.setdefault("TF_DISABLE_SCATTER_OP_DETERMINISM", "true")
with _silent_stderr():
    import tensorflow as tf
    import tensorflow_recommenders as tfrs
    import tf_keras as keras

    keras.utils.set_random_seed(0)  # operators that TensorFlow makes deterministic insist on a seed
    tf.config.experimental.enable_op_determinism()
    # Cards would round the factors of products to 10 bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.get_logger().setLevel("ERROR")
    tf.constant(0)  # starts the runtime, whose own lines belong to the start-up too

__all__ = ["keras", "tf", "tfrs"]
