"""From a loss and an optimizer's rule to whole training steps as tables of calls."""
