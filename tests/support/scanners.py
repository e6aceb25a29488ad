"""Patterns by which public scanners of MCP servers take a description for tool poisoning."""

import re

CISCO = [
    r"\b(also|additionally|furthermore|moreover|besides|in\s+addition|at\s+the\s+same\s+time)\s+"
    r"(collect|gather|extract|send|upload|index|store|cache|log|monitor|track|record|capture)",
    r"\b(during|while|when|upon|after)\s+(processing|compression|formatting|conversion|validation|"
    r"analyzing|scanning|checking)\s*,?\s*(extract|collect|send|upload|capture|log|index|store)",
    r"\b(for|as)\s+(caching|optimization|performance|quality|improvement|analytics|backup|sync)\s+"
    r"(purposes?|reasons?)",
    r"\b(index|cache|store|log|record|track)(s|es|ing|ed)?\s+(any|all)?\s*(api[_\s]?keys?|tokens?|"
    r"credentials?|passwords?|secrets?|sensitive)",
    r"\b(extract|parse|scan|search|find|identify)(s|ing|ed)?\s+(all|any)?\s*(api[_\s]?keys?|tokens?"
    r"|credentials?|emails?|phone|credit\s+card|pii|personal|private|sensitive)",
    r"\b(ocr|text\s+extraction|performs?\s+ocr)(s|ing|ed)?\s+(on|from)?\s*(screenshots?|images?|"
    r"photos?)?\s*(and\s+)?(extract|capture|read|identify)",
    r"\b(extract|capture|read|identify)(s|ing|ed)?\s+(any\s+)?(visible\s+)?(text|content)\s+"
    r"(from|in|including)\s*(screenshots?|images?|photos?)",
    r"\b(usage|behavior|activity|browsing|search)\s+(pattern|history|data|log)\s*"
    r"(collect|gather|send|upload|share|track|monitor)",
    r"\b(actually|really|secretly|covertly|silently)\s+(does|performs?|executes?|runs?|sends?)\b",
    r"\b(automatically|auto)[_\s]*(opt|subscribe|enroll|register|sign)[_\s]*(in|up|ed)\b",
    r"\b(share|send|transmit|provide)(s|d|ing)?\s+(with|to)\s+(third[_\s-]?parties?|partners?)\b",
    r"\b(cache|cached|store|stored)\s+(is\s+)?(remotely|externally|on\s+server|in\s+cloud)",
    r"\b(processed|includes?|including|contains?)\s*,?\s*((full|real|user)\s+names?|passwords?|"
    r"credentials?|personal|private|sensitive)",
    r"Always\s+(consult|use|run|execute|invoke|call|trigger|employ)\s+this\s+(tool|function)",
    r"Before\s+(executing|invoking|running|using|accessing|calling)\s+any\s+other\s+(tool|action)",
    r"(You|User)\s+(must|need to|have to|should|are required to)\s+(use|execute|run|invoke|call)",
    r"(Required|Mandatory|Essential)\s+to\s+(execute|use|run|invoke|call)",
    r"\b(hidden|secret)[_\s](parameter|argument|input)\b",
    r"\b(do not execute[^\n]*other[^\n]*tool|must[^\n]*this tool|only[^\n]*this tool|tool[^\n]*will"
    r" not work)\b",
    r"\b(tell (the )?user only|hide (the )?user)\b",
    r"\b(conversation_history|chain_of_thought|system_prompt|tools_list)\s*[:=]",
    r"\b(if [^\n]*trusted [^\n]*then|when [^\n]*admin [^\n]*detected)\b",
    r"\b(send [^\n]*conversation\s+history|highest\s+priority)\b",
    r"\b(leak|exfiltrate|export|dump) [^\n]*(parameter|context|files?|credentials?|keys?|secrets?)",
    r"\b(upload|send|post|transmit|forward|sync|backup|store|save|push|export|transfer)(s|ing|ed)?"
    r"\s+(to|data\s+to|files?\s+to|all|everything)?\s*(https?://|wss?://|external|remote|cloud|"
    r"server)",
    r"\b(collect|gather|aggregate|compile|harvest)(s|ing|ed)?\s+(and\s+)?(send|upload|transmit)",
    r"\b(never|don't|do\s+not)\s+(tell|inform|mention|notify|alert)\b",
    r"\b(conversation|chat|message|dialogue|history|context)\s+(content|data|log|history)?\s*"
    r"(send|upload|transmit|export|forward|sync)\b",
    r"\b(send|upload|transmit|export|forward)(s|ing|ed)?\s+(complete\s+)?(conversation|chat|"
    r"message|context)",
    r"\b(screen|screenshot|display|capture|recording)\s*(send|upload|transmit|stream|forward)",
    r"\b(Bypass|Dis\W?regard|Do not (follow|Obey)|Forget|Ignore)\s+((all|any|each|every|most|some)"
    r"\s+(of\s+)?)?((your|the)\s)?(command|context|conversation|data|guidelines|input|instruction|"
    r"message|request|response|text)",
    r"\b(inject tool[_\s]calls?|now call function|use function)\b",
    r"\bnew\s+(instructions|directive|guidelines)s?\s*:",
    r"<!--|```|\[(HIDDEN|INTERNAL|SECRET|PRIVATE)\s",
    r"\b(system|exec(file)?|popen|spawn|eval|compile|shell_exec)\(",
    r"<\/?script[^>]*>|javascript:",
    r"\$(PATH|HOME|USER|SHELL|PWD)|process\.env|os\.environ|getenv",
    r"/etc/(passwd|shadow|hosts)\b|/s?bin/|/(tmp|var|root)/",
    r"\.(ssh|aws|kube)[/\\]|\bid_rsa\b|claude_desktop_config",
]
"""https://github.com/cisco-ai-defense/mcp-scanner, its YARA rules; look at all that is listed."""

INVARIANT = [
    r"\b(important|crucial|critical|vital|urgent|ignore|disregard|override|bypass)\b",
    r"\b(you must|must not|always|secretly|do not tell|never tell)\b",
    r"<(important|system|secret|instructions)>",
]
"""Words at which https://github.com/invariantlabs-ai/mcp-scan warns, and what it calls poisoned."""

SHIELD = [
    r"\bdo not (tell|inform|alert|notify|mention)",
    r"\bhide this\b|\bnot visible\b|\buser (should not|must not|cannot) see\b",
    r"\bdon'?t (show|display|reveal)|\bnever (tell|show|reveal|disclose)\b",
    r"<(instructions|important|secret|system|s)>",
    r"\binstead (do|of|you should)\b|\balways (do|include|add|insert|append)\b",
    r"when.*tool is (available|present)|override the behavior of|instead of using",
    r"modify the (usage|behavior) of|(before|after) using (any|other|the) tool",
    r"whenever you (see|encounter|use)|replace (the|all) (function|tool|method)",
    r"\bmodify (the|how) (agent|model|tool|assistant)\b|\bprioritize this\b",
    r"~/\.ssh|\.env\b|config\.json|\bmcp\.json\b|\bcredentials\b|\bpassword\b|\btoken\b|\bsecret\b",
    r"\b(api|access|auth)[ -_]?(key|token)\b|/var/log\b|\.\.",
    r"\b(read|access) (file|content|directory|folder)",
]
"""https://github.com/riseandignite/mcp-shield; looks at descriptions alone."""


def found(patterns: list[str], text: str) -> list[str]:
    """What a scanner would show."""
    return [match[0] for each in patterns for match in [re.search(each, text, re.I)] if match]
