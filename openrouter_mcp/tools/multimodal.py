"""Media in and out: questions about them, images, speech, video, transcripts, vectors, order."""

from typing import Annotated, Literal

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult
from pydantic import Field

from openrouter_mcp.app import App
from openrouter_mcp.progress import Progress
from openrouter_mcp.tools.arguments import JsonObject, Text, Texts, Usd
from openrouter_mcp.tools.context import PAID, CurrentApp, CurrentProgress, tool

QUESTION = "What is this?"
Options = Annotated[JsonObject, Field(description="Any other parameter.")]
Model = Annotated[Text, Field(description="Empty = a popular, well-priced one.")]
Files = Annotated[Texts, Field(description="Paths, folders, globs.")]
SaveTo = Annotated[Text, Field(description="File or folder in the output directory.")]

RERANKED = {
    "type": "object",
    "properties": {
        "results": {"type": "array"},
        "documents": {"type": "integer"},
        "receipt": {"type": "object"},
        "notes": {"type": "array"},
        "pending": {"type": "object"},
    },
}


def _structured(
    result: ToolResult | InputRequiredResult,
) -> ToolResult | InputRequiredResult:
    """The result of a data tool: what has no data yet (a job, a dry run) says so as data."""
    if isinstance(result, InputRequiredResult):
        return result
    if result.structured_content is None and not result.is_error:
        text = "\n".join(getattr(block, "text", "") for block in result.content)
        result.structured_content = {"pending": {"text": text, **(result.meta or {})}}
    return result


@tool(
    title="Rerank documents",
    tags={"multimodal"},
    annotations=PAID,
    output_schema=RERANKED,
    hint="rank, relevance, sort documents, rag",
)
async def rerank_documents(
    *,
    model: Model = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    top_n: Annotated[int, Field(ge=0, description="Best ones only; 0 = all.")] = 0,
    query: Text,
    documents: Texts = [],
    files: Files = [],
    options: Options = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Order texts or files by relevance to a query: index, score and first words of each."""
    from openrouter_mcp.multimodal import documents as documents_of
    from openrouter_mcp.multimodal import rerank

    read = await documents_of.read(app.files, "documents", documents, files)
    plan = await rerank.plan_rerank(
        app, query, read, top_n=top_n, model=model, max_cost=max_cost, options=options
    )
    return _structured(await app.paid_calls.carry_out(plan, progress, dry_run=dry_run))


@tool(
    title="Embed texts",
    tags={"multimodal"},
    annotations=PAID,
    output_schema=None,
    hint="vector, embeddings, semantic search, similarity, rag",
)
async def embed_texts(
    model: Model = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    top_k: Annotated[int, Field(ge=0, description="0 = all.")] = 5,
    save_to: Annotated[Text, Field(description=".npy or .jsonl in the output directory.")] = "",
    query: Annotated[Text, Field(description="Find the nearest documents instead.")] = "",
    texts: Texts = [],
    files: Annotated[
        Texts, Field(description="Paths, folders, globs; with query also saved vectors.")
    ] = [],
    options: Options = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Vectors of texts or files, saved to a file; or with a query the nearest with scores."""
    from openrouter_mcp.multimodal import documents as documents_of
    from openrouter_mcp.multimodal import embed
    from openrouter_mcp.multimodal.documents import Documents

    saved, names = await embed.load(app.settings, files)
    read = Documents([], [])
    if texts or names or not saved:
        read = await documents_of.read(app.files, "texts", texts, names)
    plan = await embed.plan_embedding(
        app,
        read,
        saved,
        query=query,
        top_k=top_k,
        model=model,
        save_to=save_to,
        max_cost=max_cost,
        options=options,
    )
    return await app.paid_calls.carry_out(plan, progress, dry_run=dry_run)


@tool(
    title="Generate image",
    tags={"multimodal"},
    annotations=PAID,
    output_schema=None,
    hint="draw, picture, illustration, logo, icon, photo, edit image, text to image",
)
async def generate_image(
    *,
    model: Model = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    n: Annotated[int, Field(ge=1, le=10)] = 1,
    seed: Annotated[int, Field(ge=0, description="0 = any.")] = 0,
    aspect_ratio: Annotated[Text, Field(description="16:9, 1:1...")] = "",
    resolution: Annotated[Text, Field(description="512, 1K, 2K, 4K.")] = "",
    quality: Annotated[Text, Field(description="low, medium, high...")] = "",
    format: Annotated[Text, Field(description="png, jpeg, webp, svg.")] = "",
    background: Annotated[Text, Field(description="transparent, opaque.")] = "",
    save_to: SaveTo = "",
    prompt: Text,
    references: Annotated[
        Texts, Field(description="Up to 16 images to edit or follow: paths, https URLs.")
    ] = [],
    options: Options = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Draw or edit images. They are saved as files; previews are shown."""
    from openrouter_mcp.multimodal import image

    request = image.ImageRequest(
        prompt=prompt,
        model=model,
        references=references,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        quality=quality,
        n=n,
        format=format,
        background=background,
        seed=seed,
        save_to=save_to,
        max_cost=max_cost,
        options=options,
    )
    plan = await image.plan_image(app, request)
    return await app.paid_calls.carry_out(plan, progress, dry_run=dry_run)


@tool(
    title="Generate audio",
    tags={"multimodal"},
    annotations=PAID,
    output_schema=None,
    hint="text to speech, tts, read aloud, voice, narrate, music, song, sound effect",
)
async def generate_audio(
    *,
    model: Annotated[
        Text, Field(description="Empty = a popular speech model; music models by name.")
    ] = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    voice: Text = "",
    format: Annotated[Text, Field(description="mp3 or wav.")] = "",
    save_to: SaveTo = "",
    text: Annotated[Text, Field(description="What to say, or to play.")],
    instructions: Annotated[Text, Field(description="How to say it.")] = "",
    options: Options = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Speech, music or sound as a file. A wrong voice is answered with the right ones."""
    from openrouter_mcp.multimodal import speech

    request = speech.SpeechRequest(
        text=text,
        model=model,
        voice=voice,
        format=format,
        instructions=instructions,
        save_to=save_to,
        max_cost=max_cost,
        options=options,
    )
    plan = await speech.plan_speech(app, request)
    return await app.paid_calls.carry_out(plan, progress, dry_run=dry_run)


@tool(
    title="Transcribe audio",
    tags={"multimodal"},
    annotations=PAID,
    output_schema=None,
    hint="transcribe, speech to text, stt, subtitles, captions, srt, dictation, meeting",
)
async def transcribe_audio(
    *,
    model: Model = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    timestamps: Literal["none", "segment", "word"] = "none",
    speakers: Annotated[bool, Field(description="Tell speakers apart.")] = False,
    language: Annotated[Text, Field(description="en, de...; empty = it is recognised.")] = "",
    save_to: Annotated[Text, Field(description=".txt, .srt, .vtt or .json.")] = "",
    file: Annotated[Text, Field(description="Path or URL.")],
    options: Options = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Speech to text, with times and speakers on request; subtitles by save_to."""
    from openrouter_mcp.multimodal import transcribe

    plan = await transcribe.plan_transcription(
        app,
        file,
        model=model,
        language=language,
        timestamps=timestamps,
        speakers=speakers,
        save_to=save_to,
        max_cost=max_cost,
        options=options,
    )
    return await app.paid_calls.carry_out(plan, progress, dry_run=dry_run)


@tool(
    title="Analyze media",
    tags={"multimodal"},
    annotations=PAID,
    output_schema=None,
    hint="describe image, picture, photo, screenshot, ocr, read a pdf, document, watch a video, "
    "listen, vision",
)
async def analyze_media(
    *,
    model: Annotated[Text, Field(description="Empty = a popular one that takes them all.")] = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    question: Text = QUESTION,
    files: Annotated[
        Texts, Field(description="Paths, folders, globs, URLs: images, audio, video, PDF, text.")
    ],
    options: Annotated[
        JsonObject, Field(description="Any chat parameter; image_detail, plugins (PDF engine).")
    ] = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Ask about images, audio, video or PDFs. Their content never enters your context."""
    from openrouter_mcp.completions.request import CallerRequest
    from openrouter_mcp.files import parts
    from openrouter_mcp.multimodal import analyze

    image_detail = parts.detail(options)
    attached = await app.files.parts(files, image_detail=image_detail, media_in_folders=True)
    asked = CallerRequest(
        tool="analyze_media",
        prompt=question.strip() or QUESTION,
        model=model,
        max_cost=max_cost,
        options=options,
        attached=attached,
    )
    call = await analyze.plan_analysis(app, asked)
    return await app.paid_calls.carry_out(call, progress, dry_run=dry_run)


@tool(
    title="Generate video",
    tags={"multimodal"},
    annotations=PAID,
    output_schema=None,
    hint="video, clip, film, animation, text to video, image to video",
)
async def generate_video(
    model: Model = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    duration: Annotated[int, Field(ge=0, description="Seconds.")] = 0,
    resolution: Annotated[Text, Field(description="720p, 1080p, 4K...")] = "",
    aspect_ratio: Text = "",
    audio: Annotated[bool, Field(description="false = silent.")] = True,
    seed: Annotated[int, Field(ge=0, description="0 = any.")] = 0,
    extend: Annotated[Text, Field(description="Job id of a video to go on with.")] = "",
    first_frame: Annotated[Text, Field(description="Image: path or URL.")] = "",
    last_frame: Text = "",
    save_to: SaveTo = "",
    prompt: Text = "",
    references: Annotated[Texts, Field(description="Images, audio, video to go by.")] = [],
    options: Options = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Make a video. It takes minutes: a job, which get_job delivers even after a restart."""
    from openrouter_mcp.multimodal import video

    request = video.VideoRequest(
        prompt=prompt,
        model=model,
        first_frame=first_frame,
        last_frame=last_frame,
        references=references,
        extend=extend,
        duration=duration,
        resolution=resolution,
        aspect_ratio=aspect_ratio,
        audio=audio,
        seed=seed,
        save_to=save_to,
        max_cost=max_cost,
        options=options,
    )
    plan = await video.plan_video(app, request)
    return await app.paid_calls.carry_out(plan, progress, dry_run=dry_run)
