/** A question over the page. The focus goes into it, and when it closes back to what opened it. */
import { Modal, type ModalProps } from "@mantine/core";
import { useEffect, useState } from "react";
import { messages } from "../lib/messages";
import { comeBackTo } from "./focus";

/** Made when it opens and taken away when it closes: there is no `opened`. */
export function Dialog({ children, ...props }: Omit<ModalProps, "opened">) {
  useFocusReturn();
  return (
    <Modal
      opened
      centered
      // The library's own return begins with a dialog that was closed before; ours are made open.
      returnFocus={false}
      closeButtonProps={{ "aria-label": messages.close }}
      {...props}
    >
      {children}
    </Modal>
  );
}

/** Who had the focus when this came, has it again when it goes. */
function useFocusReturn(): void {
  // While it is drawn for the first time: later the dialog has taken it.
  const [opener] = useState(() => document.activeElement);
  useEffect(() => () => comeBackTo(opener), [opener]);
}
