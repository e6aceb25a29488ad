"""Money: estimates, caps, the ledger, the one paid request, receipts, consent."""
