/** The name of an image, with what the cluster has of them. */
import { Autocomplete } from "@mantine/core";
import { messages } from "../../lib/messages";
import { useImageOffers } from "./offers";

interface Props {
  value: string;
  onChange: (value: string) => void;
  error: string | undefined;
}

export function ImageField({ value, onChange, error }: Props) {
  const offers = useImageOffers(value);
  return (
    <Autocomplete
      label={messages.create.image}
      placeholder={messages.create.imageHint}
      description={messages.create.imageHelp}
      data={offers}
      // They are the fitting ones already.
      filter={({ options }) => options}
      value={value}
      onChange={onChange}
      error={error}
      required
      classNames={{ input: "mono" }}
      spellCheck={false}
    />
  );
}
