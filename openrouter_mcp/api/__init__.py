"""The way to OpenRouter: one OpenAI-SDK client, its replies, failures and retries."""
