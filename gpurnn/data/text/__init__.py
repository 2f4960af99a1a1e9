"""What reads text: which files, which bytes, which characters, which tokens; and how tokens are shown again."""
