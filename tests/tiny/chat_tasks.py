"""The tasks of the shipped prompts, by the name of the prompt file."""

from __future__ import annotations

import random
from collections.abc import Callable

from . import chat_task_tables as tables
from . import chat_text_tasks, chat_work_tasks
from .chat_task import Task, from_table

TASKS: dict[str, Callable[[random.Random], Task]] = {
    "summarize": chat_text_tasks.summarize,
    "explain-in-one-sentence": chat_text_tasks.summarize,
    "tldr": chat_text_tasks.tldr,
    "title": chat_text_tasks.title,
    "keywords": chat_text_tasks.keywords,
    "action-items": chat_work_tasks.action_items,
    "commit-message": chat_work_tasks.commit_message,
    "translate": chat_text_tasks.translate,
    "proofread": chat_text_tasks.proofread,
    "rewrite-plainly": chat_text_tasks.rewrite_plainly,
    "bullet-points": chat_text_tasks.bullet_points,
    "shell-command": lambda r: from_table(tables.SHELL, r),
    "regex": lambda r: from_table(tables.REGEX, r),
    "yes-or-no": chat_text_tasks.yes_or_no,
    "reply-to-mail": chat_work_tasks.reply_to_mail,
    "code-review": chat_work_tasks.code_review,
    "explain-error": lambda r: from_table(tables.ERRORS, r),
    "file-name": chat_text_tasks.file_name,
    "sentiment": chat_work_tasks.sentiment,
    "extract-person": chat_work_tasks.extract_person,
    "questions": chat_text_tasks.questions,
}
