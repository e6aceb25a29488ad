from openrouter_mcp.models import cards


def test_an_image_endpoint_tells_each_price_in_its_unit():
    lines = [
        {"billable": "output_image", "unit": "image", "cost_usd": 0.05, "variant": "2k"},
        {"billable": "input_text", "unit": "token", "cost_usd": 0.000005},
        {"billable": "output_image", "unit": "megapixel", "cost_usd": 0.01},
    ]
    shown = cards.image_endpoint(
        {"provider_tag": "acme/fast", "provider_name": "Acme", "pricing": lines}
    )
    assert shown == {
        "tag": "acme/fast",
        "provider": "Acme",
        "prices": [
            "output_image: $0.05 per image (2k)",
            "input_text: $5 per million tokens",
            "output_image: $0.01 per megapixel",
        ],
    }


def test_an_image_endpoint_tells_what_its_parameters_take():
    descriptors = {
        "resolution": {"type": "enum", "values": ["1K", "2K"]},
        "n": {"type": "range", "min": 1, "max": 4},
        "seed": {"type": "boolean"},
    }
    shown = cards.image_endpoint({"provider_slug": "acme", "supported_parameters": descriptors})
    assert shown == {
        "tag": "acme",
        "parameters": {"resolution": ["1K", "2K"], "n": [1, 4], "seed": "boolean"},
    }


def test_a_video_model_tells_prices_and_choices_and_leaves_out_the_unknown():
    row = {
        "id": "acme/reel",
        "pricing_skus": {"duration_seconds": "0.10"},
        "supported_durations": [4, 8],
        "supported_resolutions": None,
        "generate_audio": True,
    }
    assert cards.video(row) == {
        "prices": {"duration_seconds": "0.10"},
        "durations_seconds": [4, 8],
        "audio": True,
    }
