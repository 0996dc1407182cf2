"""The other hosts, as data; each with the page of its documentation that it follows.

Codex, Gemini CLI, Qwen Code and opencode were also run. VS Code and opencode have a command that adds a
server and none that removes one, so their files are edited, which can be undone.
"""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.cli.hosts import (
    AUTHORIZATION,
    MERGE,
    SHELL_VARIABLE,
    TOKEN_VARIABLE,
    Command,
    Host,
    Http,
    System,
    application_data,
    by_connector,
    by_url,
    everywhere,
    typed_entry,
)
from whatsapp_mcp.features.hosts.entries import extension, listed_entry, local_entry, named_entry
from whatsapp_mcp.features.hosts.toml_text import TOML
from whatsapp_mcp.features.hosts.yaml_text import YAML, YAML_LIST

CODEX_WAITS: Final = "mcp_servers.whatsapp.required=true"
"""The setting with which Codex waits for this server before it asks its model."""
_FROM_CONTAINER: Final = "http://host.docker.internal:{port}"
"""This computer, as containers on it call it."""


def _unix_and_windows(unix: str, windows: str) -> dict[System, tuple[str, ...]]:
    """One place on Linux and macOS, another on Windows."""
    return {System.LINUX: (unix,), System.MACOS: (unix,), System.WINDOWS: (windows,)}


def _node_command(program: str) -> Command:
    """The command line that Gemini CLI and its descendant share."""
    words = ("mcp", "add", "--scope", "user", "{-e}", "{name}", "{command}", "{-- args}")
    return Command(program, words, ("mcp", "remove", "--scope", "user", "{name}"))


OTHER_HOSTS: Final = (
    Host(
        "codex",
        "Codex",
        "https://developers.openai.com/codex/mcp",
        Http(
            "Run this command.",
            command=(
                *("codex", "mcp", "add", "{name}", "--url", "{url}"),
                *("--bearer-token-env-var", TOKEN_VARIABLE),
            ),
            token=TOKEN_VARIABLE,
        ),
        files=everywhere("${CODEX_HOME:-~/.codex}/config.toml"),
        format=TOML,
        container="mcp_servers",
        command=Command(
            "codex",
            ("mcp", "add", "{name}", "{--env}", "--", "{command}", "{args}"),
            ("mcp", "remove", "{name}"),
        ),
        is_edited=True,
        afterwards="Start a new session of Codex.",
        sign="`/mcp` lists `whatsapp` with its tools.",
        remarks=(
            "`codex exec` waits for no server: its model sees no tools of one that takes a moment to start. "
            f"`codex exec -c {CODEX_WAITS} …` waits for this one. `install` does not write that into the "
            "file, because Codex itself does not start when a required server cannot.",
        ),
    ),
    Host(
        "gemini-cli",
        "Gemini CLI",
        "https://geminicli.com/docs/tools/mcp-server/",
        by_url("httpUrl", token=f"${TOKEN_VARIABLE}"),
        files=everywhere("${GEMINI_CLI_HOME:-~}/.gemini/settings.json"),
        command=_node_command("gemini"),
        is_edited=True,
        afterwards="Start Gemini CLI again, in a folder that it trusts.",
        sign="`/mcp` lists `whatsapp` as ready.",
    ),
    Host(
        "qwen-code",
        "Qwen Code",
        "https://qwenlm.github.io/qwen-code-docs/en/users/features/mcp/",
        by_url("httpUrl", token=f"${TOKEN_VARIABLE}"),
        files=everywhere("${QWEN_HOME:-~/.qwen}/settings.json"),
        command=_node_command("qwen"),
        is_edited=True,
        afterwards="Start Qwen Code again.",
        sign="`/mcp` lists `whatsapp` as connected.",
    ),
    Host(
        "cursor",
        "Cursor",
        "https://cursor.com/docs/context/mcp",
        by_url(token=f"${{env:{TOKEN_VARIABLE}}}"),
        menu="Settings, MCP, Add new global MCP server",
        files=everywhere("~/.cursor/mcp.json"),
        is_edited=True,
        afterwards="Restart Cursor.",
        sign="Settings, MCP shows `whatsapp` with a green dot and its tools.",
    ),
    Host(
        "vscode",
        "VS Code",
        "https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
        Http(
            "Merge this into {file}. VS Code asks for the token once and keeps it as a secret.",
            {"type": "http", "url": "{url}", "headers": AUTHORIZATION},
            token="${input:whatsapp-token}",  # noqa: S106  how VS Code refers to it
            extra={
                "inputs": [
                    {
                        "type": "promptString",
                        "id": "whatsapp-token",
                        "description": "Token of the WhatsApp server",
                        "password": True,
                    }
                ]
            },
        ),
        menu="Command Palette, MCP: Open User Configuration",
        files=application_data("Code/User/mcp.json"),
        container="servers",
        entry=typed_entry,
        is_edited=True,
        afterwards="Run `MCP: List Servers` from the Command Palette, choose `whatsapp` and start it.",
        sign="The tools of the chat in agent mode list `whatsapp`.",
    ),
    Host(
        "opencode",
        "opencode",
        "https://opencode.ai/docs/mcp-servers/",
        by_url(token=f"{{env:{TOKEN_VARIABLE}}}", type="remote", oauth=False),
        files=everywhere(
            "$XDG_CONFIG_HOME/opencode/opencode.jsonc", "$XDG_CONFIG_HOME/opencode/opencode.json"
        ),
        container="mcp",
        entry=listed_entry,
        is_edited=True,
        afterwards="Start opencode again.",
        sign="`opencode mcp list` shows `whatsapp` as connected.",
    ),
    Host(
        "windsurf",
        "Windsurf",
        "https://docs.devin.ai/desktop/cascade/mcp",
        by_url("serverUrl", token=f"${{env:{TOKEN_VARIABLE}}}"),
        menu="Settings, Cascade, MCP servers, View raw config",
        files={
            # Windsurf is named Devin since June 2026, and reads the former file as well.
            **everywhere("$XDG_CONFIG_HOME/devin/mcp_config.json", "~/.codeium/windsurf/mcp_config.json"),
            System.WINDOWS: ("$APPDATA/devin/mcp_config.json", "~/.codeium/windsurf/mcp_config.json"),
        },
        is_edited=True,
        afterwards="Refresh the MCP servers of Cascade, or restart the editor.",
        sign="Cascade's list of MCP servers shows `whatsapp` with its tools.",
    ),
    Host(
        "zed",
        "Zed",
        "https://zed.dev/docs/ai/mcp",
        by_url(),
        menu="Command Palette, zed: open settings file",
        files=_unix_and_windows("$XDG_CONFIG_HOME/zed/settings.json", "$APPDATA/Zed/settings.json")
        | {System.MACOS: ("~/.config/zed/settings.json",)},
        container="context_servers",
        is_edited=True,
        afterwards="Zed starts it as soon as the file is saved.",
        sign="The settings of the Agent Panel show `whatsapp` with a green dot.",
    ),
    Host(
        "lm-studio",
        "LM Studio",
        "https://lmstudio.ai/docs/app/mcp",
        by_url(),
        menu="Program, Install, Edit mcp.json",
        files=everywhere("~/.lmstudio/mcp.json", "~/.cache/lm-studio/mcp.json"),
        is_edited=True,
        afterwards="Switch `mcp/whatsapp` on in the tab Program.",
        sign="The tab Program lists `mcp/whatsapp` with its tools.",
    ),
    Host(
        "goose",
        "Goose",
        "https://goose-docs.ai/docs/guides/config-files",
        Http(
            MERGE,
            {
                "type": "streamable_http",
                "name": "{name}",
                "enabled": True,
                "uri": "{url}",
                "headers": AUTHORIZATION,
                "env_keys": [TOKEN_VARIABLE],
                "timeout": 300,
            },
            token=SHELL_VARIABLE,
        ),
        menu="Extensions, Add custom extension",
        files=_unix_and_windows(
            "$XDG_CONFIG_HOME/goose/config.yaml", "$APPDATA/Block/goose/config/config.yaml"
        ),
        format=YAML,
        container="extensions",
        entry=extension,
        is_edited=True,
        afterwards="Start a new session of Goose.",
        sign="Extensions lists `whatsapp` as switched on.",
    ),
    Host(
        "cline",
        "Cline",
        "https://docs.cline.bot/mcp/mcp-overview",
        by_url(type="streamableHttp"),
        menu="MCP Servers, Configure, Configure MCP Servers",
        files=everywhere("~/.cline/data/settings/cline_mcp_settings.json"),
        afterwards="Cline starts it as soon as the file is saved.",
        sign="MCP Servers, Configure shows `whatsapp` with a green dot.",
    ),
    Host(
        "continue",
        "Continue",
        "https://docs.continue.dev/customize/deep-dives/mcp",
        Http(
            MERGE,
            {
                "name": "{name}",
                "type": "streamable-http",
                "url": "{url}",
                "requestOptions": {"headers": AUTHORIZATION},
            },
            token=f"${{{{ secrets.{TOKEN_VARIABLE} }}}}",
            kept_in="~/.continue/.env",
        ),
        files=everywhere("~/.continue/config.yaml"),
        format=YAML_LIST,
        entry=named_entry,
        afterwards="Reload the window, and choose Agent below the chat.",
        sign="The tools of the agent mode list `whatsapp`.",
    ),
    Host(
        "warp",
        "Warp",
        "https://docs.warp.dev/knowledge-and-collaboration/mcp",
        Http("Choose {file}, and paste this.", {"url": "{url}", "headers": AUTHORIZATION}),
        menu="Settings, AI, Manage MCP servers, Add",
        afterwards="Start the server there.",
        sign="Manage MCP servers shows `whatsapp` as running.",
    ),
    Host(
        "copilot-cli",
        "GitHub Copilot CLI",
        "https://docs.github.com/en/copilot/how-tos/copilot-cli/customize-copilot/add-mcp-servers",
        by_url(type="http", tools=["*"]),
        files=everywhere("${COPILOT_HOME:-~/.copilot}/mcp-config.json"),
        entry=local_entry,
        afterwards="Start Copilot CLI again.",
        sign="`/mcp show` lists `whatsapp`.",
    ),
    Host(
        "amp",
        "Amp",
        "https://ampcode.com/manual#mcp",
        by_url(token=SHELL_VARIABLE),
        files=_unix_and_windows("$XDG_CONFIG_HOME/amp/settings.json", "~/.config/amp/settings.json"),
        container="amp.mcpServers",
        command=Command("amp", ("mcp", "add", "{name}", "{--env}", "--", "{command}", "{args}")),
        afterwards="Start Amp again.",
        sign="`amp mcp list` shows `whatsapp`.",
    ),
    Host(
        "n8n",
        "n8n",
        "https://docs.n8n.io/integrations/builtin/cluster-nodes/sub-nodes/n8n-nodes-langchain.toolmcp/",
        Http(
            "Add the node MCP Client Tool to an agent: this endpoint, the transport HTTP Streamable, and "
            "Bearer Auth with a credential that holds the token.",
            base=_FROM_CONTAINER,
        ),
        entry=None,
        sign="The list of tools in the node shows those of WhatsApp.",
    ),
    Host(
        "open-webui",
        "Open WebUI",
        "https://docs.openwebui.com/features/mcp/",
        Http(
            "Choose Admin Settings, External Tools, Add Server: the type MCP (Streamable HTTP), this URL, "
            "and the authentication Bearer with the token.",
            base=_FROM_CONTAINER,
        ),
        entry=None,
        sign="The tools of a chat list WhatsApp.",
    ),
    Host(
        "librechat",
        "LibreChat",
        "https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/mcp_servers",
        Http(
            "Merge this into librechat.yaml.",
            {"type": "streamable-http", "url": "{url}", "headers": AUTHORIZATION},
            token=SHELL_VARIABLE,
            kept_in="the file .env beside it",
            base=_FROM_CONTAINER,
        ),
        format=YAML,
        entry=None,
        afterwards="Restart LibreChat.",
        sign="The menu of MCP servers below the chat lists `whatsapp`.",
    ),
    Host(
        "home-assistant",
        "Home Assistant",
        "https://www.home-assistant.io/integrations/mcp/",
        Http(
            "Add the integration Model Context Protocol with this URL. It signs in with OAuth alone: set "
            "server.oauth in config.toml, or serve with --no-auth if Home Assistant runs on this computer "
            "itself.",
            path="/sse",
            signs_in=True,
        ),
        entry=None,
        sign="The settings of a conversation agent offer the tools of WhatsApp.",
    ),
    Host(
        "claude-ai",
        "Claude on the web and on phones",
        "https://support.claude.com/en/articles/11175166-get-started-with-custom-connectors-using-remote-mcp",
        by_connector("Choose Settings, Connectors, Add custom connector"),
        entry=None,
        sign="The tools of a chat list the connector.",
    ),
    Host(
        "chatgpt",
        "ChatGPT",
        "https://platform.openai.com/docs/guides/developer-mode",
        by_connector("Choose Settings, Apps and Connectors, Advanced, Developer mode, then Create"),
        entry=None,
        sign="The tools of a chat list the connector.",
    ),
)
"""In the order in which they are listed: those that are set up by `whatsapp-mcp install` first."""
