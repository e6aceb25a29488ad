"""The live models of OpenRouter: what there is, what it costs, which to choose."""
