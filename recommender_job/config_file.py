"""Settings from recommender.toml, in the working directory or where `RECOMMENDER_CONFIG` says."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from pydantic_settings import BaseSettings, TomlConfigSettingsSource

from recommender_job.environment import FILE_VARIABLE
from recommender_job.errors import ConfigurationError

FILE = "recommender.toml"


class ConfigFile(TomlConfigSettingsSource):
    """The settings of the file; none where there is no file.

    Raises:
        ConfigurationError: The file cannot be read or is no TOML, or the one that the variable names is not there.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        file: Path | None = None
        try:
            file = config_file()
            super().__init__(settings_cls, toml_file=file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} is no TOML: {error}.", action="Correct the file.") from None
        except OSError as error:
            raise ConfigurationError(
                f"{error.filename} cannot be read: {error.strerror}.",
                action="Give the account that runs the job the right to.",
            ) from None


def config_file() -> Path | None:
    """The file that the settings come from, None where there is none.

    Raises:
        ConfigurationError: `RECOMMENDER_CONFIG` names a file that is not there.
    """
    named = os.environ.get(FILE_VARIABLE)
    file = Path(named or FILE)
    if file.is_file():
        return file
    if named:
        raise ConfigurationError(
            f"{FILE_VARIABLE} names {file.absolute()}, which is no file.",
            action="Correct the variable, or remove it: then recommender.toml of the working directory counts.",
        )
    return None
