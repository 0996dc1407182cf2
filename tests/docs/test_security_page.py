"""What SECURITY.md promises is tested: each sentence here stands on the page, and each test is there."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.tables import for_each

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())
PROMISES = {
    "whatever a stranger or everyone would see needs your yes, tainted or not": [
        "policy/test_decisions.py:test_what_strangers_or_everyone_would_see_is_asked_about_tainted_or_not",
        "device/test_guard.py:test_a_contact_is_written_to_without_a_question_and_a_stranger_only_after_a_yes",
    ],
    "Strangers' words are withheld from lists, searches and waits": [
        "server/test_withholding.py:*",
    ],
    "Lists and searches say that a file was read, and on which page a hit is, and show none of its words": [
        "server/test_file_readings.py:test_a_hit_in_a_document_says_the_page_and_none_of_its_words",
        "server/test_file_readings.py:"
        "test_structured_content_tells_what_was_read_and_no_words_of_unknown_authors",
    ],
    "`read_file` hands them out, and the agent is tainted": [
        "server/test_file_readings.py:test_words_of_unknown_authors_are_written_down_as_strangers",
    ],
    "a file that was sent as a document, a picture among them, and its thumbnail | taints": [
        "server/test_whose_files.py:test_whatever_anybody_may_have_written_or_said_counts_as_a_strangers",
        "server/test_whose_files.py:test_a_thumbnail_counts_as_the_file_does",
        "server/test_whose_files.py:"
        "test_in_lockdown_a_person_agrees_before_a_picture_sent_as_a_file_is_shown",
        "server/test_file_tools.py:test_over_http_a_document_that_comes_along_taints",
    ],
    "whatever is text by its content, also where the message calls it a picture or a sound | taints": [
        "server/test_whose_files.py:test_whatever_anybody_may_have_written_or_said_counts_as_a_strangers",
    ],
    "a recording that is no voice note; a whole video, which is heard | taints": [
        "server/test_whose_files.py:test_whatever_anybody_may_have_written_or_said_counts_as_a_strangers",
    ],
    "a picture, a sticker or stills of a video, shown as pictures, in which words were recognised | taints": [
        "server/test_whose_files.py:test_whatever_anybody_may_have_written_or_said_counts_as_a_strangers",
    ],
    "the same in which none were recognised | does not": [
        "server/test_whose_files.py:test_a_picture_without_words_a_voice_note_and_a_path_taint_nobody",
    ],
    "a voice note | does not": [
        "server/test_whose_files.py:test_a_picture_without_words_a_voice_note_and_a_path_taint_nobody",
    ],
    "a link to a path of this computer | does not": [
        "server/test_whose_files.py:test_a_picture_without_words_a_voice_note_and_a_path_taint_nobody",
    ],
    "of each sender, so many bytes a day are kept whole": [
        "archive/test_floods.py:*",
    ],
    "what is cut says so": [
        "server/test_floods.py:*",
    ],
    "Add-ons whose message does not come wait in a bounded number, and at most a year": [
        "archive/test_waiting_addons.py:*",
    ],
    "One-time codes are masked in what was read, also in its parts, and found by no search": [
        "server/test_parts_of_codes.py:*",
        "server/test_searches_for_codes.py:*",
        "server/test_file_readings.py:test_no_search_finds_a_code_that_was_read",
        "server/test_file_readings.py:test_a_code_that_somebody_spoke_is_masked_until_a_person_agrees",
    ],
    "no other file of the account or of another one and no list of them": [
        "client/test_taken_over.py:test_it_gets_no_other_file_of_its_account_or_another_and_learns_no_name",
    ],
    "no program, no new process, no port, no other process, and no socket but those of the network": [
        "client/test_taken_over.py:test_it_starts_nothing_listens_nowhere_and_reaches_no_other_process",
    ],
    "Nothing that it plants in its databases runs in a server": ["storage/test_guarded.py:*"],
    "one that does not keep to its protocol is ended and named": [
        "device/test_client_pipe.py:test_a_client_that_says_what_it_must_not_is_ended_and_named",
    ],
    "Their files are neither fetched nor read until somebody asks": [
        "archive/test_file_readings.py:test_files_of_people_who_are_known_and_of_the_owner_wait_newest_first",
    ],
    "one answer has three of them and six words at most, and shows everybody else by number": [
        "server/test_names_in_sum.py:*",
    ],
    "every name that it saves waits for your yes": [
        "policy/test_decisions.py:test_everyday_acts_are_asked_about_only_after_words_that_taint",
    ],
    "counts as a stranger's for whoever reads it later, also if you allowed it": [
        "injections/test_launderers.py:*",
        "archive/test_authorship.py:*",
    ],
    "Another application is neither shown nor may move what waits for your yes": [
        "device/test_authorship.py:test_what_waits_for_a_yes_is_not_moved_by_another_application",
        "server/test_scheduled_shown.py:test_what_waits_for_a_yes_is_shown_to_who_wrote_it_alone",
    ],
    "What then waits for the connection is compared once more when it leaves": [
        "device/test_leaving.py:*",
    ],
    "text that repeats twelve words or more of another chat": [
        "device/test_guard.py:test_many_words_of_another_chat_are_asked_about",
    ],
    "It looks at whatever they would see: captions, polls, names of files, names and topics of groups": [
        "device/test_concerns.py:test_words_in_parts_of_one_message_are_looked_at_together",
        "device/test_concerns.py:test_captions_and_names_of_files_are_looked_at",
        "device/test_concerns.py:test_names_and_topics_of_groups_are_looked_at",
    ],
    "the words of documents, what is forwarded with the words that were read in it and its one-time codes": [
        "device/test_concerns.py:test_the_words_of_a_text_of_this_computer_are_looked_at",
        "device/test_concerns.py:test_what_is_forwarded_is_looked_at_like_what_is_written",
        "device/test_concerns.py:"
        "test_words_that_were_recognised_in_a_picture_are_looked_at_when_it_is_forwarded",
    ],
    "together with what went to that chat within the last hour": [
        "device/test_concerns.py:"
        "test_a_secret_or_a_text_in_pieces_is_asked_about_at_the_piece_that_completes_it",
    ],
    "A file that came from another chat counts as forwarded, however it is sent": [
        "device/test_concerns.py:test_a_file_of_another_chat_is_a_forward_however_it_is_sent",
        "device/test_concerns.py:test_a_file_of_which_no_digest_is_known_is_recognised_by_its_content",
        "server/test_forwarded_files.py:*",
    ],
    "a forward, a file or a quote from that chat waits for your yes or is refused, in every mode": [
        "device/test_origins.py:test_words_that_may_not_be_read_are_not_taken_into_the_chat_with_oneself",
        "device/test_origins.py:test_words_that_may_not_be_read_are_not_taken_to_a_contact",
        "device/test_origins.py:test_a_quote_of_a_group_that_may_not_be_read_reaches_nobody_else",
        "server/test_forwarded_files.py:*",
    ],
    "also into the chat with yourself and as a photo": [
        "device/test_origins.py:test_a_picture_that_may_not_be_read_becomes_no_photo",
    ],
    "one that came in several chats counts for the chat whose rule is least strict": [
        "device/test_origins.py:test_a_file_that_another_chat_shows_to_the_agent_goes_out_unasked",
        "device/test_origins.py:test_what_this_computer_sent_to_a_hidden_chat_stays_its_own",
    ],
    "still counts as its sender's for whoever reads it": [
        "device/test_origins.py:test_a_copy_of_a_strangers_file_counts_as_the_strangers",
    ],
    "A forwarded file is told by what its sender says of it": [
        "device/test_origins.py:test_a_forwarded_file_is_asked_about_by_its_name_kind_and_size",
    ],
    "more than three forwards": [
        "device/test_guard.py:test_more_than_three_forwards_within_an_hour_are_asked_about",
    ],
    "keys, card numbers and passwords wait for your yes": [
        "device/test_guard.py:test_a_secret_in_a_text_or_a_file_is_asked_about",
    ],
    "A group with strangers in it asks as long as you have written nothing there": [
        "device/test_guard.py:"
        "test_a_group_asks_for_strangers_in_it_until_the_owner_has_written_there_from_the_phone",
        "device/test_guard.py:"
        "test_neither_notices_nor_words_from_before_the_latest_joining_are_the_owners_writing",
    ],
    "A tainted agent's request of a URL waits for your yes before any packet leaves": [
        "server/test_permits.py:test_no_url_is_requested_before_it_is_allowed",
        "device/test_guard.py:"
        "test_a_preview_fetches_nothing_before_it_is_approved_if_the_principal_is_tainted",
    ],
    "An agent of a chat reads and answers that chat alone, in every mode": [
        "policy/test_one_chat.py:test_what_reaches_beyond_the_chat_is_always_refused",
        "device/test_one_chat.py:test_no_operation_reaches_beyond_the_chat",
        "server/test_one_chat.py:test_no_method_of_the_archive_tells_of_another_chat",
        "server/test_one_chat.py:test_no_tool_tells_of_another_chat",
    ],
    "In your own chat only your phone gives orders; what is forwarded or quoted never is one": [
        "device/test_agents.py:test_the_owner_is_answered_in_the_chat_with_oneself",
        "device/test_agents.py:test_what_is_passed_on_is_material_and_no_order",
    ],
    "in groups only people whom you know are heard": [
        "device/test_agents.py:test_in_a_group_only_who_is_known_and_addresses_the_owner_is_heard",
    ],
    "A command runs without a shell, in an environment of its own, with limits on time": [
        "device/test_agent_rules.py:*",
    ],
    "A search tells nothing of hits that it neither shows nor counts": [
        "server/test_searches_for_hidden_words.py:test_two_accounts_that_differ_in_a_hidden_word_answer_alike",
    ],
    "you are asked before it is searched, or listed by kind, author or time, whatever it holds": [
        "server/test_searches_for_hidden_words.py:"
        "test_who_searches_a_chat_that_is_asked_about_is_told_to_ask_whatever_it_holds",
        "server/test_searches_for_hidden_words.py:"
        "test_who_lists_one_kind_of_a_chat_that_is_asked_about_is_told_to_ask_whether_there_is_any",
    ],
    "the chats in which it came, the first one first": [
        "device/test_origins.py:test_who_sends_a_file_again_does_not_hide_from_whom_it_came_first",
    ],
    "Of withheld words it covers the messages that the question names, or as many": [
        "injections/test_amounts.py:*",
    ],
    "and of a one-time code its message alone": [
        "injections/test_amounts.py:test_a_yes_about_a_one_time_code_releases_that_message_alone",
    ],
    "no other application hears of them": [
        "device/test_guard.py:test_another_agent_hears_nothing_of_a_question_before_or_after_the_answer",
    ],
    "At most three questions of one application are open, each for an hour": [
        "ledger/test_ledger.py:test_as_many_questions_as_one_may_ask_keep_no_other_from_asking",
        "ledger/test_ledger.py:test_three_questions_may_wait_and_an_hour_ends_them",
    ],
    "after a no the same act is refused for an hour": [
        "device/test_guard.py:test_a_no_ends_the_send_and_the_same_is_refused_for_an_hour",
    ],
    "If any of it has changed when you answer, nothing is sent": [
        "device/test_guard.py:test_a_file_that_was_swapped_after_the_question_does_not_go_out",
        "device/test_guard.py:test_members_who_came_after_the_question_void_the_yes",
        "device/test_guard.py:test_what_is_forwarded_is_shown_and_a_changed_message_does_not_go_out",
    ],
    "A question says first whom it reaches": [
        "device/test_questions.py:test_a_topic_of_any_length_stands_behind_whom_it_reaches",
    ],
    "A file is told with where it comes from": [
        "device/test_questions.py:test_a_file_is_said_to_be_what_it_is_whatever_the_agent_calls_it",
        "device/test_questions.py:test_a_photo_is_said_to_be_from_where_it_is",
    ],
    "stands in quotation marks that it cannot close": [
        "device/test_questions.py:test_nothing_that_others_chose_passes_for_ours",
    ],
    "What a question quotes is shown to you alone": [
        "injections/test_withheld_places.py:test_no_canary_is_in_anything_that_a_model_gets",
        "server/test_approval_card.py:test_the_question_and_the_picture_go_to_the_card_and_never_to_the_model",
    ],
    "only a 👍 or 👎 of the phone itself counts": [
        "device/test_forged_approvals.py:*",
        "device/test_phone_of_the_leader.py:test_a_thumb_up_lets_the_message_go_within_a_second",
    ],
    "no tool, can answer for you": ["device/test_guard.py:test_no_agent_decides"],
    "finds rows that were changed or removed": ["ledger/test_audit.py:*"],
    "`purge` leaves nothing of what it deletes in any file": ["archive/test_purge.py:*"],
    "Private networks are never fetched from": ["media/test_web.py:*", "test_network.py:*"],
    "a process that crashes leaves no core dump": ["server/test_core_dumps.py:*"],
    "OAuth access tokens are checked against their issuer": ["server/test_oauth.py:*"],
    "no page of another site or port embeds or fetches one of these": [
        "server/test_guard.py:test_another_page_neither_embeds_a_page_nor_measures_one",
    ],
    "Without tokens (`--no-auth`) it listens on loopback alone, and not where a proxy is named": [
        "server/test_exposure.py:test_without_a_token_a_server_is_on_loopback_only",
        "server/test_exposure.py:test_a_server_that_others_reach_through_a_proxy_asks_for_tokens",
        "server/test_guard.py:test_without_tokens_no_request_is_answered_that_came_through_a_proxy",
    ],
    "Host and Origin are checked on every route": [
        "server/test_guard.py:test_another_host_name_is_refused_on_every_route",
        "server/test_guard.py:test_another_origin_is_refused_on_every_route",
        "server/test_guard.py:"
        "test_a_name_that_a_proxy_forwards_and_the_one_that_it_replaces_are_judged_alike",
    ],
    "Files of strangers are neither fetched nor opened until somebody asks": [
        "device/test_fetched_files.py:test_a_strangers_file_is_fetched_only_when_somebody_asks",
    ],
}


def named_in(module: Path) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


@for_each("promise", PROMISES)
def test_a_promise_of_the_page_has_its_tests(promise: str) -> None:
    assert promise in PAGE
    for place in PROMISES[promise]:
        module, _, name = place.partition(":")
        there = named_in(ROOT / "tests" / module)
        assert there if name == "*" else name in there, place
