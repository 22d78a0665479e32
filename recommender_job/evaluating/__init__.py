"""Is tonight's model good enough: figures on pairs it has not seen, and the gate."""
